"""`python -m tfxai`."""

import sys

from tfxai.cli import main

sys.exit(main())
