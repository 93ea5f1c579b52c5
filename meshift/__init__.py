"""The command `meshift`: what operators and pipelines do with Meshift. Runs where they are; nothing of it is deployed.

It decides with the code that the stack decides with (`functions/domain`), and asks AWS through the same gateways.
"""

import sys
from pathlib import Path

# They are imported as the functions import them: absolute from their CodeUri.
sys.path.append(str(Path(__file__).parents[1] / "functions"))
