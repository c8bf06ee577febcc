"""The rules of prepaid credits: standard library only, no input and no output."""
