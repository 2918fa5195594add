"""The small OAuth 2 server's published client: prints the authorization request, reads where the browser came back
to, and prints what `/oauth/api/me` says."""

import json
import sys

from flask import Flask, jsonify, redirect, request, session, url_for
from flask_oauthlib.client import OAuth

client_id, client_secret, base_url = sys.argv[1:]
app = Flask(__name__)
app.secret_key = "development"
oauth = OAuth(app)
remote = oauth.remote_app(
    "remote",
    consumer_key=client_id,
    consumer_secret=client_secret,
    request_token_params={"scope": "email"},
    base_url=f"{base_url}/oauth/api/",
    request_token_url=None,
    access_token_url=f"{base_url}/oauth/token",
    authorize_url=f"{base_url}/oauth/authorize",
)


@app.route("/")
def index():
    if "remote_oauth" in session:
        return jsonify(remote.get("me").data)
    return remote.authorize(callback=url_for("authorized", _external=True))


@app.route("/authorized")
def authorized():
    answer = remote.authorized_response()
    if answer is None:
        return "Access denied: reason=%s error=%s" % (request.args["error_reason"], request.args["error_description"])
    session["remote_oauth"] = (answer["access_token"], "")
    return redirect("/")


@remote.tokengetter
def token():
    return session.get("remote_oauth")


browser = app.test_client()
site = "http://localhost:8000"
for line in sys.stdin:
    answer = browser.get(line.strip(), base_url=site)
    location = answer.headers.get("Location")
    text = location if location else answer.get_data(as_text=True)
    print(json.dumps(text), flush=True)
