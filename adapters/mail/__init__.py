"""Whoever carries mails."""
