"""The few words that reports and model cards show, in English and in Chinese."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from penstock.core.errors import BadInput
from penstock.datasets.report import COLUMN_KINDS, KINDS, Finding
from penstock.evaluation import trivial
from penstock.evaluation.parity import MOST_DIFFERENCE

LOCALES = ("en", "zh-CN")
Say = Callable[[str], str]

SHARES = frozenset(
    {
        "accuracy",
        "macro_f1",
        "micro_f1",
        "exact_match",
        "gross_margin",
        "top1",
        "coverage",
        "precision",
        "f1",
        "out_of_scope_recall",
        "hr_at_10",
        "robust_accuracy",
        "robust_exact_match",
        "detection_rate",
    }
)
"""Metrics that people read as percentages."""

GIVES_ONE = "It answers one input with one of {total} labels and a score."
GIVES_SEVERAL = "It gives one input any number of {total} labels, each with a score of its own, or none."
GIVES_NONE = "A label is given from its threshold on; an input that fits none may still get one."
ANSWERS_ALWAYS = "It always answers one of its labels, also for an input that fits none."
ABSTAINS = "Where it is not sure it gives no label; it may still be sure of an input that fits none."
REFIT = (
    "Once the gate had said yes, the recipe was trained again on the training and the test rows, {rows} in all, and "
    "this model is what a release serves. Every figure here is of the model before that. The two agree on {agreement} "
    "of the test rows, and {kept} of the rows that the judged model answers rightly are still answered rightly."
)
NOT_REFIT = (
    "Trained again on the training and the test rows, the recipe kept only {kept} of the right answers, or did not "
    "answer the same after saving: a release serves the judged model."
)

_CHINESE: Mapping[str, str] = {
    "refit": "重新训练",
    "served": "发布的模型",
    "accuracy": "准确率",
    "macro_f1": "宏平均 F1",
    "micro_f1": "微平均 F1",
    "exact_match": "完全匹配率",
    "ece": "校准误差",
    "epsilon": "隐私损失 ε",
    "fidelity": "向量保真度",
    "latency_p50_ms": "延迟中位数（毫秒）",
    "latency_p95_ms": "延迟 P95（毫秒）",
    "cost_per_1000": "每千次成本",
    "gross_margin": "毛利率",
    "parity": "一致性",
    "gate": "门禁",
    "contamination": "测试行混入训练",
    "Without a model": "不用模型时",
    "What needs no model, on the same test rows. The gate demands more of the metrics that it names.": (
        "同一批测试行上不用模型也能得到的结果。门禁要求其所列指标显著更好。"
    ),
    "Way": "做法",
    "Other work meanwhile": "测量时的其他负载",
    "{busy} of the machine": "机器的 {busy}",
    "Without": "不用模型",
    "With the model": "用模型",
    "Better by": "提高",
    "More than chance": "超出偶然",
    "Evaluation report": "评估报告",
    "Model card": "模型卡",
    "Candidate": "候选模型",
    "Passed the gate": "通过门禁",
    "Refused by the gate": "未通过门禁",
    "Not judged yet": "尚未评审",
    "At a glance": "概览",
    "Decision": "评审结论",
    "Condition": "条件",
    "Measured": "测得值",
    "95% interval": "95% 置信区间",
    "Needs": "要求",
    "Holds": "是否满足",
    "In words": "说明",
    "yes": "是",
    "no": "否",
    "F1 per class": "各类别 F1",
    "the {shown} weakest of {total} classes": "共 {total} 类中最弱的 {shown} 类",
    "all {total} classes": "全部 {total} 类",
    "The bar is the F1 on the test rows, the line its 95% interval.": "条形为测试集上的 F1，细线为其 95% 置信区间。",
    "Label": "类别",
    "Rows": "行数",
    "Precision": "精确率",
    "Recall": "召回率",
    "Most confused classes": "最易混淆的类别",
    "Each cell counts test rows of one true label (row) by the label answered (column).": (
        "每格为某一真实类别（行）被判为某类别（列）的测试行数。"
    ),
    "No test row was answered wrongly.": "测试集上没有判错的行。",
    "True label": "真实类别",
    "Answered": "判为",
    "Times": "次数",
    "Reliability": "可靠性",
    "A calibrated model lies on the diagonal: of answers scored 0.8, 80% are right.": (
        "校准良好的模型应落在对角线上：得分 0.8 的回答约有 80% 正确。"
    ),
    "Score": "得分",
    "Mean score": "平均得分",
    "Share right": "正确比例",
    "Latency": "延迟",
    "Share of single predictions answered within a time, on the machine named below.": (
        "在下述机器上，单次预测在给定时间内完成的比例。"
    ),
    "Milliseconds": "毫秒",
    "Share answered": "完成比例",
    "Percentile": "百分位",
    "Worst errors": "最严重的错误",
    "Wrong answers given with the highest score.": "得分最高的错误回答。",
    "Row": "行",
    "Text": "文本",
    "Cost and margin": "成本与毛利",
    "Core-seconds per 1,000": "每千次核秒",
    "Cost of a core-hour": "每核时成本",
    "Cost per 1,000": "每千次成本",
    "Lowest price per 1,000": "每千次最低售价",
    "Gross margin": "毛利率",
    "none: the lowest price is zero": "无：最低售价为零",
    "Machine": "机器",
    "cores": "核",
    "Calls timed": "计时次数",
    "Cleaning": "数据清洗",
    "Facts and hashes": "事实与哈希",
    "Table": "数据表",
    "The table behind the chart": "图表数据",
    "product": "产品",
    "title": "名称",
    "number": "编号",
    "task": "任务",
    "rung": "阶梯",
    "artifact": "模型文件",
    "backbone": "骨干模型",
    "dataset_version": "数据版本",
    "data_version": "数据版本号",
    "seed": "随机种子",
    "seconds": "训练秒数",
    "report_blob": "报告",
    "created_at": "时间",
    "id": "标识",
    "{rows} test rows": "{rows} 行测试数据",
    "test rows": "测试行",
    "signature": "签名",
    "test_uses": "测试集使用次数",
    "incumbent": "现任模型",
    "What it does": "用途",
    "Data": "数据",
    "Metrics": "指标",
    "Cost": "成本",
    "Limits": "局限",
    "Hashes": "哈希",
    "Metric": "指标",
    "Value": "值",
    GIVES_SEVERAL: "对一个输入给出 {total} 个标签中的任意多个（各有得分），也可能一个都不给。",
    GIVES_NONE: "得分达到各自阈值的标签才会给出；不属于任何标签的输入仍可能得到标签。",
    GIVES_ONE: "对一个输入给出 {total} 个类别之一及其得分。",
    "Trained on {train} rows, tested on {test} rows.": "训练 {train} 行，测试 {test} 行。",
    "This test split has judged {uses} candidates; the more it judges, the less it proves.": (
        "该测试集已评审 {uses} 个候选模型；用得越多，说服力越弱。"
    ),
    "Figures hold for inputs like the test rows; on others it may do worse.": (
        "以上数字适用于与测试集相似的输入；对其他输入可能更差。"
    ),
    ABSTAINS: ("没有把握时不给出类别；但对不属于任何类别的输入，仍可能自认为有把握。"),
    REFIT: (
        "通过门禁后，同一配方又用训练行与测试行（共 {rows} 行）重新训练，发布时提供的是这个模型。"
        "此处所有数字都属于重新训练之前的模型。两者在 {agreement} 的测试行上一致；"
        "受评模型答对的行中，{kept} 仍然答对。"
    ),
    NOT_REFIT: ("用训练行与测试行重新训练后，只保留了 {kept} 的正确回答，或保存前后回答不一致：发布时提供受评模型。"),
    ANSWERS_ALWAYS: ("即使输入不属于任何类别，它也会给出其中一个类别。"),
    "{rows} of them have a label that the training rows lack, and count as wrong.": (
        "其中 {rows} 行的类别在训练数据中没有，均计为错误。"
    ),
    "Weakest labels": "最弱的类别",
    "Latency and cost were measured on {cpu}; other machines differ.": "延迟与成本在 {cpu} 上测得；其他机器会有不同。",
    "Finding": "发现",
    "Part": "部分",
    "Found": "数量",
    "Dropped": "删除",
    "rows read": "读入行数",
    "rows kept": "保留行数",
    "train": "训练",
    "test": "测试",
    "feedback": "反馈",
    "texts that are empty": "空文本",
    "texts that are too long": "过长文本",
    "texts with contradicting labels": "标签矛盾的文本",
    "rows that repeat an earlier one": "重复行",
    "rows that add a label to an earlier one": "为同一文本补充标签的行",
    "TRAINING ROWS THAT ARE ALSO TEST ROWS": "同时出现在测试集中的训练行",
    "rows that nearly repeat an earlier one": "近似重复行",
    "nearly equal texts with different labels": "文本近似但标签不同",
    "training rows that nearly repeat a test row": "与测试行近似重复的训练行",
    "test rows whose label is not in train": "训练集中没有其标签的测试行",
    "labels without a test row": "没有测试行的标签",
    "labels with fewer than 5 training rows": "训练行少于 5 的标签",
    "rows whose label has too few rows": "标签行数过少的行",
    "rows with none of the labels": "不带任何标签的行",
    "LABELS THAT LOOK LIKE ANOTHER": "与另一标签看起来相同的标签",
    "labels that look wrong": "疑似错误的标签",
    "out-of-scope texts that are labelled rows too": "同时有标签的超范围文本",
    "columns that the rows are split by": "划分数据所依据的列",
    "COLUMNS THAT LOOK LIKE GROUPS OF ROWS": "看似成组的列",
    "COLUMNS THAT LOOK LIKE TIMES": "看似时间的列",
    "# of # values are on both sides of the split": "# / # 个取值同时出现在划分的两侧",
    "dates, in train and test mixed": "日期，训练与测试混杂",
    "# groups to train on, # others to test with": "训练 # 组，测试另外 # 组",
    "the latest rows are the test": "最新的行用于测试",
    "texts out of scope, kept apart": "单独保留的超范围文本",
    "rows with e-mail addresses": "含邮箱地址的行",
    "rows with phone numbers": "含电话号码的行",
    "rows with Chinese ID numbers": "含身份证号的行",
    "rows with bank card numbers": "含银行卡号的行",
    "rows with IBANs": "含国际银行账号的行",
    "rows with IP addresses": "含 IP 地址的行",
    "rows with MAC addresses": "含 MAC 地址的行",
    "rows with wallet addresses": "含加密钱包地址的行",
    "rows with US taxpayer numbers": "含美国纳税人号的行",
    "rows with US social security numbers": "含美国社会保障号的行",
    "rows with US Medicare numbers": "含美国联邦医疗保险号的行",
    "rows with UK NHS numbers": "含英国 NHS 号的行",
    "rows with UK national insurance numbers": "含英国国民保险号的行",
    "rows with UK driving licences": "含英国驾照号的行",
    "rows with Spanish NIFs": "含西班牙税号（NIF）的行",
    "rows with Spanish NIEs": "含西班牙外国人身份号（NIE）的行",
    "rows with Italian fiscal codes": "含意大利税号的行",
    "rows with Finnish identity codes": "含芬兰身份号的行",
    "rows with Korean resident numbers": "含韩国居民登记号的行",
    "rows with Singapore NRICs and FINs": "含新加坡身份证号的行",
    "rows with Indian Aadhaar numbers": "含印度身份号的行",
    "rows with Indian PANs": "含印度税号（PAN）的行",
    # what cleaning finds in other data than labelled texts
    "paraphrases that another entry is asked by too": "另一条目也有的问法",
    "paraphrases that repeat another of their entry": "与同一条目中其他问法重复的问法",
    "entries that a newer one stands for": "已被更新版本取代的条目",
    "entries that were withdrawn": "已撤回的条目",
    "withdrawals": "撤回记录",
    "test questions that are an entry's own question": "与条目自身问题相同的测试问题",
    "ENTRIES WHOSE LAST DAY IS OVER": "最后有效日已过的条目",
    "entries without a paraphrase": "没有其他问法的条目",
    "FILES THAT CANNOT BE READ": "无法读取的文件",
    "ROWS THAT CANNOT BE READ": "无法读取的行",
    "images with contradicting labels": "类别互相矛盾的图片",
    "images of a single shade": "只有一种色调的图片",
    "corrected images that cannot be read": "无法读取的更正图片",
    "entities that the history names fewer than 5 times": "历史中提及少于 5 次的对象",
    "interactions that weigh too little": "权重过低的交互",
    "interactions of users that look like programs": "疑似程序的用户的交互",
    "interactions with an item that the user knew": "用户与已知物品的交互",
    "INTERACTIONS IN THE FUTURE": "发生在未来的交互",
    "interactions with items that the items file lacks": "物品文件中没有的物品的交互",
    "users with too few interactions to be tested": "交互过少而无法测试的用户",
    "test rows of users with too few interactions to go by": "交互过少、无从判断的用户的测试行",
    **trivial.CHINESE,
}


def speaker(locale: str, chinese: Mapping[str, str] = MappingProxyType({})) -> Say:
    """A function from an English phrase to the locale's; unknown phrases stay as they are. chinese: a task's own."""
    if locale not in LOCALES:
        raise BadInput(f"no report in the language {locale!r}", hint=f"use one of: {', '.join(LOCALES)}")
    if locale == "en":
        return _english
    known = {**_CHINESE, **chinese}
    return lambda phrase: known.get(phrase, phrase)


def figure(metric: str, *values: float) -> str:
    """Values of the metric of that name, as people read them: 92.3% where it is a share, else three digits."""
    return " – ".join(f"{value:.1%}" if metric in SHARES else plain_number(value) for value in values)


def plain_number(value: float | Decimal, digits: int = 3) -> str:
    """So many significant digits and never an exponent, since people read money in it: 0.000000985, 1,235."""
    if abs(value) >= 10**digits:
        return f"{value:,.0f}"
    return f"{Decimal(f'{value:.{digits}g}'):f}"


def reason_in_words(reason: Mapping[str, Any], locale: str, say: Say) -> str:
    """A decision's reason as a sentence. reason: the JSON form of gate.Reason. say: the locale's speaker."""
    if locale == "en" or reason.get("kind") == "empty":
        return str(reason["text"]) if locale == "en" else "门禁没有任何条件，无法证明该模型可用。"
    return _chinese_reason(reason, say)


def finding_in_words(finding: Finding, say: Say, quoted: Say = str) -> str:
    """What cleaning found; columns are named, each with why, since nobody may miss one that is gone. quoted: shows a
    column's name, which may be any text."""
    what = say(KINDS.get(finding.kind, finding.kind))
    if finding.kind not in COLUMN_KINDS or not finding.examples:
        return what
    named = "; ".join(f"{quoted(each.origin)} ({_phrase(each.text, say)})" for each in finding.examples)
    more = finding.found - len(finding.examples)
    return f"{what}: {named}" + (f" +{more}" if more > 0 else "")


_VALUES = re.compile(r"'[^']*'(?:, '[^']*')*|[0-9][0-9.,]*")


def _phrase(text: str, say: Say) -> str:
    """A phrase in the locale's words: known with # for its numbers and quoted texts, which are put back in order."""
    values = iter(_VALUES.findall(text))
    form = _VALUES.sub("#", text)
    said = say(form)
    return text if said == form else re.sub("#", lambda _: next(values), said)


_METRIC_NAMES = {
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
    "ece": "calibration error",
    "latency_p50_ms": "latency p50 (ms)",
    "latency_p95_ms": "latency p95 (ms)",
    "cost_per_1000": "cost per 1,000",
    "gross_margin": "gross margin",
    "dataset_version": "dataset version",
    "data_version": "number of the dataset version",
    "report_blob": "report",
    "created_at": "time",
    "test_uses": "uses of the test split",
}


def _english(phrase: str) -> str:
    """Metrics of tasks are named by their own names, with spaces for underscores."""
    plain = phrase.replace("_", " ") if re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)+", phrase) else phrase
    return _METRIC_NAMES.get(phrase, plain)


def _chinese_reason(reason: Mapping[str, Any], say: Say) -> str:
    verdict = "满足" if reason["passed"] else "不满足"
    name = say(str(reason["metric"]))
    if reason["kind"] == "parity":
        return f"训练、保存、单条与批量的回答最大相差 {reason['value']:.1e}，要求不超过 {MOST_DIFFERENCE:g}：{verdict}"
    if reason["kind"] == "incumbent":
        return (
            f"与现任模型在相同测试行上比较：{name}之差 {reason['value']:+.4f}"
            f"（95% 区间 {reason['low']:+.4f} 至 {reason['high']:+.4f}），"
            f"p = {reason['p_value']:.3g}，要求不更差：{verdict}"
        )
    if reason["kind"] == "busy":
        needs = f"{reason['op']} {plain_number(reason['threshold'], 6)}"
        return f"{name}无法测量：机器有 {reason['value']:.0%} 忙于其他工作，要求 {needs}：未知；请在机器空闲时重新运行"
    if reason["kind"] == "trivial":
        return _chinese_trivial(reason, name, verdict, say)
    if reason["kind"] == "contamination":
        needs = f"要求不超过 {reason['threshold']:.0%}：{verdict}"
        if not reason["value"]:
            return f"与测试行相同或近似的训练行已全部移除，{needs}"
        return f"训练数据中仍有与测试行相同或近似的行（占测试行的 {reason['value']:.1%}），{needs}"
    if reason["value"] is None:
        return f"{name}无法计算：最低售价为零：不满足"
    side, bound = ("至少", reason["low"]) if reason["op"] == ">=" else ("至多", reason["high"])
    needs = f"{reason['op']} {plain_number(reason['threshold'], 6)}"
    value, least = plain_number(reason["value"], 4), plain_number(bound, 4)
    return f"{name} {value}，95% {side} {least}，要求 {needs}：{verdict}"


def _chinese_trivial(reason: Mapping[str, Any], name: str, verdict: str, say: Say) -> str:
    if reason["value"] is None:
        return f"未测量不用模型时的{name}：{verdict}"
    chance = "" if reason["p_value"] is None else f"，p = {reason['p_value']:.2g}"
    return (
        f"不用模型（{say(str(reason['how']))}）时{name} {plain_number(reason['threshold'], 4)}，"
        f"模型 {plain_number(reason['value'], 4)}"
        f"（提高量的 95% 区间 {reason['low']:+.4f} 至 {reason['high']:+.4f}{chance}），要求显著更好：{verdict}"
    )
