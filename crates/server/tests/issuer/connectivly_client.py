"""Plays the operator's application with the published package, unmodified: each line on stdin is a command."""

import json
import sys

import requests
from connectivly import Connectivly

api_key, base_url = sys.argv[1:]
connectivly = Connectivly(api_key, base_url)


def deny(session_id):
    headers = {"X-API-KEY": api_key}
    return requests.post(f"{base_url}/api/auth_session/{session_id}/deny", headers=headers).json()


commands = {
    "read": connectivly.get_login_session,
    "approve": lambda session_id: connectivly.approve_login_session(session_id, {"user": "test@example.com"}),
    "deny": deny,
    "validate": connectivly.validate_token,
    "validate_remotely": lambda token: connectivly.validate_token(token, remote=True),
}

for line in sys.stdin:
    command, argument = line.split()
    print(json.dumps(commands[command](argument)), flush=True)
