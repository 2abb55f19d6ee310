#!/usr/bin/env bash
# The tests open reports in the system's Chromium: install it where that is possible, else say how.
# Never a failure: without it those tests are skipped, with the reason.
set -u
has() { command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null; }
has && exit 0
if [ "$(uname -s)" = Linux ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "installing chromium for the browser tests"
  DEBIAN_FRONTEND=noninteractive apt-get update -qq >/dev/null 2>&1 || true
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null 2>&1 || true
  has && exit 0
fi
echo "no Chromium: the browser tests will be skipped (Debian: apt-get install chromium)" >&2
exit 0
