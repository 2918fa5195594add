"""The names that programs written after the Connectivly guide use, on top of the published `connectivly` package."""

import connectivly
import requests


class ConnectivlyClient(connectivly.Connectivly):
    """`current_user` is a function that answers the id of the user who is logged in; set it once."""

    current_user = None

    def approve_login_session(self, session_id, user_info=None):
        return super().approve_login_session(session_id, user_info or {"user": self.current_user()})

    def deny_login_session(self, session_id):
        url = f"{self.base_url}/api/auth_session/{session_id}/deny"
        return requests.post(url, headers={"X-API-KEY": self.api_key}, timeout=10).json()

    def validate_token(self, token, remote=False):
        scheme, _, token = (token or "").partition(" ")
        return super().validate_token(token, remote) if scheme.lower() == "bearer" else None


connectivly.ConnectivlyClient = ConnectivlyClient
