"""requests-oauthlib: code flow with PKCE for a client with a secret, userinfo, refresh."""

import os

os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"

import requests
from requests_oauthlib import OAuth2Session

REDIRECT_URI = "http://127.0.0.1:9/callback"
metadata = requests.get(os.environ["ISSUER"] + "/.well-known/openid-configuration", timeout=10).json()
document = {"redirect_uris": [REDIRECT_URI], "client_name": "requests-oauthlib"}
client = requests.post(metadata["registration_endpoint"], json=document, timeout=10).json()

session = OAuth2Session(
    client["client_id"], redirect_uri=REDIRECT_URI, scope=["openid", "profile", "email"], pkce="S256"
)
url, state = session.authorization_url(metadata["authorization_endpoint"])
print("visit", url, flush=True)
token = session.fetch_token(
    metadata["token_endpoint"], authorization_response=input(), client_secret=client["client_secret"]
)
assert token["token_type"] == "Bearer", token
assert session.get(metadata["userinfo_endpoint"]).json()["sub"] == "ada"

old = token["refresh_token"]
auth = requests.auth.HTTPBasicAuth(client["client_id"], client["client_secret"])
renewed = session.refresh_token(metadata["token_endpoint"], auth=auth)
assert renewed["refresh_token"] != old
assert session.get(metadata["userinfo_endpoint"]).status_code == 200
