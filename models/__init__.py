"""Networks: plain torch modules that take sizes and other modules.

A tensor's name ends in its shape, a letter for each size: ``wave_NT`` has N clips of T samples. The letters are
listed in docs/architecture.md.
"""
