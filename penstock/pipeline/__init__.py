"""Durable workflows that join the rooms: train, close a month, retrain; and questions that several rooms answer."""
