"""Every promise of the transport contract, on Google's own Drive; see ``conftest`` for what it needs."""

import pytest
from test_transport import *  # noqa: F403 - the suite itself, under this folder's fixtures

pytestmark = [pytest.mark.live, pytest.mark.timeout(1800)]
