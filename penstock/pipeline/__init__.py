"""Durable workflows that join packages: train, close a month, retrain; and questions that several of them answer."""
