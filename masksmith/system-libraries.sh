#!/usr/bin/env bash
# Open3D needs the system library libusb-1.0: install it where that is possible, else say how.
set -u
has() { ldconfig -p 2>/dev/null | grep -q 'libusb-1\.0\.so\.0' || ls /usr/lib/*/libusb-1.0.so.0 /usr/lib*/libusb-1.0.so.0 >/dev/null 2>&1; }
[ "$(uname -s)" = Linux ] || exit 0
has && exit 0
root=""
[ "$(id -u)" = 0 ] || root="sudo"
if command -v apt-get >/dev/null; then how="$root apt-get install -y libusb-1.0-0"
elif command -v dnf >/dev/null; then how="$root dnf install -y libusb1"
elif command -v pacman >/dev/null; then how="$root pacman -S --noconfirm libusb"
elif command -v apk >/dev/null; then how="$root apk add libusb"
else how="install libusb-1.0 with your system's package manager"; fi
if [ -z "$root" ] || sudo -n true 2>/dev/null; then
  case "$how" in *apt-get*) DEBIAN_FRONTEND=noninteractive $root apt-get update -qq >/dev/null 2>&1 || true;; esac
  DEBIAN_FRONTEND=noninteractive $how >/dev/null 2>&1 || true
  has && exit 0
fi
echo "Open3D needs the system library libusb-1.0. Install it, then run make again:" >&2
echo "    $how" >&2
exit 4
