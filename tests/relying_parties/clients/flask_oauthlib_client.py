"""A program of Flask-OAuthlib's time: no state, no PKCE, no nonce, secret in the body."""

import os

from flask import Flask, jsonify, redirect, request, session, url_for
from flask_oauthlib.client import OAuth
from werkzeug.serving import make_server

URL = os.environ["HANDFAST_URL"]
app = Flask(__name__)
app.secret_key = "test"
oauth = OAuth(app)
remotes = {}


@app.route("/configure", methods=["POST"])
def configure():
    remote = OAuth().remote_app(
        "remote",
        consumer_key=request.form["id"],
        consumer_secret=request.form["secret"],
        request_token_params={"scope": "email"},
        base_url=URL + "/oauth/api/",
        request_token_url=None,
        access_token_url=URL + "/oauth/token",
        authorize_url=URL + "/oauth/authorize",
    )
    remote.tokengetter(lambda: session.get("token"))
    remotes["remote"] = remote
    return "configured"


@app.route("/")
def index():
    if "token" in session:
        return jsonify(remotes["remote"].get("me").data)
    return remotes["remote"].authorize(callback=url_for("authorized", _external=True))


@app.route("/authorized")
def authorized():
    answer = remotes["remote"].authorized_response()
    if answer is None:
        return "Access denied: reason=%s error=%s" % (
            request.args["error_reason"],
            request.args["error_description"],
        )
    session["token"] = (answer["access_token"], "")
    return redirect("/")


server = make_server("127.0.0.1", 0, app, threaded=True)
print("listening http://127.0.0.1:%d" % server.server_port, flush=True)
server.serve_forever()
