"""The functions' handlers, a module each.

Imports make many objects that stay. The collector would look through them again and again while they come, a tenth of
every INIT and more, unless it is told to wait until more has come together.
"""

import gc

gc.set_threshold(50_000, 20, 20)
