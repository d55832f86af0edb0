"""``python -m zsxai``: the command line."""

import sys

from zsxai.cli import main

sys.exit(main())
