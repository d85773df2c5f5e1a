"""The commands: parse options, call the library, print. Nothing is computed here."""
