"""What the token source blots out of the service's texts, however long the night."""

import json
from urllib.parse import quote

import pytest

from bulkroute.cec.client import Client
from bulkroute.cec.token import TokenSource
from bulkroute.credentials import Credentials, Secret
from bulkroute.rate.backoff import full_jitter
from bulkroute.simulator import Faults, Simulator

SECRET = 'hush"of/the night'


@pytest.mark.slow
async def test_the_app_secret_is_remembered_after_many_renewals() -> None:
    async with (
        Simulator([], app_key="key", app_secret=SECRET, faults=Faults(token_life_s=0.001)) as simulator,
        Client(simulator.url, app_key="key") as client,
    ):
        credentials = Credentials(app_key="key", app_secret=Secret(SECRET))
        tokens = TokenSource(client, credentials, max_attempts=1, wait=full_jitter(0.01, 0.01))
        for _ in range(12):
            token = await tokens.get()
        while simulator.tokens_issued < 12:
            token = await tokens.get()
        heard = f"{SECRET} {json.dumps(SECRET)} {quote(SECRET, safe='')} {token}"
        assert tokens.clean(heard) == '*** "***" *** ***'
        await tokens.close()
