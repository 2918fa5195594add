"""The published connectivly 0.1.0, unmodified: the calls it has, and what programs do beside it by plain requests."""

import os
from urllib.parse import parse_qs, urlencode, urlsplit

import requests
from connectivly import Connectivly

URL, API_KEY = os.environ["HANDFAST_URL"], os.environ["HANDFAST_API_KEY"]
CLIENT = (os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"])
REDIRECT_URI = os.environ["REDIRECT_URI"]
connectivly = Connectivly(API_KEY, URL)


def visit(url):
    print("visit", url, flush=True)
    return {name: values[0] for name, values in parse_qs(urlsplit(input()).query).items()}


def begin(scope):
    query = {
        "response_type": "code",
        "client_id": CLIENT[0],
        "redirect_uri": REDIRECT_URI,
        "scope": scope,
        "state": "a state",
        "nonce": "a nonce",
    }
    return visit(URL + "/auth/oauth2/authorize?" + urlencode(query))["token"]


session_id = begin("openid email")
session = connectivly.get_login_session(session_id)
assert session["id"] == session_id, session
assert session["app"]["client_id"] == CLIENT[0] and session["app"]["name"] == "Reader", session
assert session["app"]["redirect_uri"] == [REDIRECT_URI], session
assert session["scopes"] == ["openid", "email"], session
assert "error" in connectivly.get_login_session("unknown")
assert "app" not in Connectivly("wrong", URL).get_login_session(session_id)

approval = connectivly.approve_login_session(session_id, {"user": "test@example.com"})
assert "error" in connectivly.approve_login_session(session_id, {"user": "test@example.com"})
answer = visit(approval["redirect_uri"])
assert answer["state"] == "a state", answer

form = {"grant_type": "authorization_code", "code": answer["code"], "redirect_uri": REDIRECT_URI}
tokens = requests.post(URL + "/auth/oauth2/token", data=form, auth=CLIENT, timeout=10).json()
assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 1800), tokens
token = connectivly.validate_token(tokens["access_token"])
assert token["sub"] == "test@example.com", token
assert token["scopes"] == ["openid", "email"] and token["app"]["client_id"] == CLIENT[0], token
assert connectivly.validate_token(tokens["access_token"], remote=True) == token
assert connectivly.validate_token(tokens["access_token"][:-4] + "AAAA") is None
assert connectivly.validate_token(tokens["id_token"]) is None

# A code that is shown twice revokes what it bought: still well signed, and no longer active.
assert requests.post(URL + "/auth/oauth2/token", data=form, auth=CLIENT, timeout=10).status_code == 400
assert connectivly.validate_token(tokens["access_token"], remote=True) is None

denied = requests.post(
    URL + "/api/auth_session/" + begin("openid") + "/deny", headers={"X-API-KEY": API_KEY}, timeout=10
).json()
answer = visit(denied["redirect_uri"])
assert (answer["error"], answer["state"]) == ("access_denied", "a state"), answer
