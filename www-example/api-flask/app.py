"""An application that other applications' users can sign in with: Flask, the `connectivly` package, and Handfast."""

import os
from functools import wraps

from connectivly_guide import ConnectivlyClient
from flask import Flask, redirect, request, session, url_for
from werkzeug.serving import make_server

app = Flask(__name__)
app.secret_key = os.environ.get("SECRET_KEY") or os.urandom(32)
handfast = ConnectivlyClient(
    os.environ["HANDFAST_API_KEY"], os.environ.get("HANDFAST_URL", "http://localhost:3004")
)
handfast.current_user = lambda: session["user"]


def login_required(view):
    @wraps(view)
    def wrapped():
        if "user" in session:
            return view()
        return redirect(url_for("login", token=request.args.get("token", "")))

    return wrapped


@app.route("/login", methods=["GET", "POST"])
def login():
    """Stands for the login that your application has already. This one believes any name."""
    if request.method == "GET":
        return '<form method="post"><input name="name" placeholder="Your name"> <button>Log in</button></form>'
    session["user"] = request.form["name"]
    return redirect(url_for("sign_in", token=request.args.get("token", "")))


@app.route("/connectivly")
@login_required
def sign_in():
    """Handfast's login URL: someone wants to sign in to another application with the account they have here."""
    login_session = handfast.get_login_session(request.args["token"])
    if "error" in login_session:
        return login_session["error"], 404
    # Your own rules: here nobody gives their email address away.
    if "email" in login_session["scopes"]:
        decision = handfast.deny_login_session(login_session["id"])
    else:
        decision = handfast.approve_login_session(login_session["id"])
    return redirect(decision["redirect_uri"])


@app.route("/protected")
def protected():
    token = handfast.validate_token(request.headers.get("Authorization"))
    if token is None:
        return "Unauthorized", 401, {"WWW-Authenticate": "Bearer"}
    return f"Hello {token['sub']}, by way of {token['app']['name']}!"


if __name__ == "__main__":
    server = make_server("127.0.0.1", int(os.environ.get("PORT", "5000")), app, threaded=True)
    print(f"listening http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
