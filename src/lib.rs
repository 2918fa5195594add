//! Connect your users' accounts at other services with one line in the browser.
