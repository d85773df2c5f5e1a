"""The bodies of the commands. The entry points beside this package import them only once the options have parsed."""
