"""The suites: a module or package each, named as `suite=` calls it, that exports `SUITE`."""
