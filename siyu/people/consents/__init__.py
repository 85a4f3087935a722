"""Consents: what a customer agreed to, in which words, when and where.

Owns the texts (versions as data in `rules.py`), every decision ever made, and the state in force.
Always holds: a decision names the version of the text that was shown, and is never changed; silence
is a no; a withdrawal counts at once; a text that asks for more than its forerunner must be agreed
to again. Emits `consents.consent_decided`. Called by collection of behaviour and by everything that
speaks to customers.
"""
