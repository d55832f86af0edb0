"""``python -m zsxai.cli``."""

import sys

from zsxai.cli import main

sys.exit(main())
