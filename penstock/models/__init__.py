"""Things that predict: the artifact format, the models, the loader. numpy and onnxruntime, no torch."""
