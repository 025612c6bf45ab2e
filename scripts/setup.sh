#!/bin/sh
# Makes the virtual environment .venv of this checkout, once; called again it does nothing, or mends
# what an interrupted call left. Where ROS 2 is sourced, it is used; where not, it comes from wheels.
#
# PYTHON=/path/to/python chooses the interpreter (3.10 to 3.13).
set -eu
cd "$(dirname "$0")/.."
venv=$PWD/.venv
python=$venv/bin/python
log=$venv/setup.log
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore

say() { printf '%s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# Does a sourced ROS 2 come with rclpy, other than the wheels of our own environment?
ros_is_sourced() {
  [ -n "${ROS_DISTRO:-}${AMENT_PREFIX_PATH:-}" ] || return 1
  rclpy=$("${PYTHON:-python3}" -c 'import rclpy; print(rclpy.__file__)' 2>/dev/null) || return 1
  case $rclpy in "$venv"/*) return 1 ;; esac
}

# Can this interpreter make the environment, and compile the messages against itself?
suits() {
  "$1" -c '
import ensurepip, os, sys, sysconfig, venv
headers = os.path.join(sysconfig.get_path("include"), "Python.h")
sys.exit(not ((3, 10) <= sys.version_info[:2] <= (3, 13) and os.path.isfile(headers)))' 2>/dev/null
}

choose_python() {
  candidates=${PYTHON:-python3.11 python3.12 python3.13 python3.10 python3}
  [ $mode = wheels ] || candidates=${PYTHON:-python3} # the one that the sourced ROS 2 is for
  for candidate in $candidates; do
    if suits "$candidate"; then command -v "$candidate"; return; fi
  done
  die "no Python from 3.10 to 3.13 with venv and headers among: $candidates; do: sudo apt install python3-venv python3-dev"
}

version_of() { "$1" -c 'import sys; print(sys.version_info[:2])' 2>/dev/null; }

pip_install() {
  "$python" -m pip install --quiet "$@" >> "$log" 2>&1 || {
    grep -v 'is ignored: it is neither' "$log" | tail -n 15 >&2
    die "pip could not install the requirements (network?); all of it is in $log; call again to go on"
  }
}

# The pins; beside a sourced ROS 2 without those of packages that must suit the distribution's numpy, which
# stays because ROS 2's messages are compiled against it.
write_constraints() {
  if [ $mode = wheels ]; then cp requirements/constraints.txt "$1"; return; fi
  grep -vE '^(contourpy|matplotlib|ml-dtypes|numpy|opencv-python-headless|pillow|scikit-image|scipy|tifffile)==' \
    requirements/constraints.txt > "$1"
  "$python" -c 'import numpy; print(f"numpy=={numpy.__version__}")' >> "$1" ||
    die "ROS 2 is sourced but its Python has no numpy; do: rosdep install --from-paths . -y"
}

install() {
  extras=dev,parquet,ray,train
  write_constraints "$venv/constraints.txt"
  pip_install --constraint "$venv/constraints.txt" setuptools
  if [ $mode = wheels ]; then
    extras=$extras,export
    pip_install --no-deps --no-build-isolation --requirement requirements/ros.txt
  fi
  pip_install --no-build-isolation --constraint "$venv/constraints.txt" --editable ".[$extras]"
  if [ $mode = wheels ]; then "$python" scripts/mend_ros_wheels.py; fi
}

works() {
  "$python" -c 'import cv2, facenet_pytorch, matplotlib, pytest, rclpy, rosbags, safetensors, skimage, torch, torchvision, yaml' \
    >> "$log" 2>&1
}

make_environment() {
  mkdir -p "$venv"
  : > "$log"
  if [ ! -x "$python" ]; then
    say "setting up .venv with $chosen: $contents, PyTorch and libraries (about 6 GB, a few minutes, once)"
    "$chosen" -m venv $venv_options "$venv" >> "$log" 2>&1 || {
      tail -n 5 "$log" >&2
      rm -rf "$venv"
      die "$chosen makes no virtual environment; do: sudo apt install python3-venv"
    }
  else
    say "bringing .venv up to date"
  fi
  printf '%s' "$mode" > "$venv/.mode"
  install
  site=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  cp scripts/venv_hook.py "$site/_emotional_dan_ros_workspace.py"
  echo 'import _emotional_dan_ros_workspace' > "$site/emotional_dan_ros_workspace.pth"
}

if ros_is_sourced; then
  mode=sourced contents="beside the sourced ROS 2" venv_options=--system-site-packages
else
  mode=wheels contents="ROS 2 Jazzy" venv_options=""
fi
wanted="$mode $(cat requirements/*.txt scripts/venv_hook.py | cksum)"
remake=""
[ "$(cat "$venv/.mode" 2>/dev/null || echo $mode)" = $mode ] || remake="ROS 2 is sourced now and was not, or the reverse"
if [ -n "${PYTHON:-}" ] && [ -e "$venv" ] && [ "$(version_of "$python")" != "$(version_of "$PYTHON")" ]; then
  remake="another Python is asked for"
fi
[ -z "$remake" ] && [ "$(cat "$venv/.stamp" 2>/dev/null)" = "$wanted" ] && [ -x "$python" ] && exit 0

chosen=$(choose_python)
if [ -n "$remake" ]; then
  say "$remake: making .venv anew"
  rm -rf "$venv"
elif [ -e "$venv" ] && ! "$python" -m pip --version > /dev/null 2>&1; then
  say ".venv is broken: making it anew"
  rm -rf "$venv"
fi
existed=$([ -x "$python" ] && echo yes || echo no)
rm -f "$venv/.stamp"
make_environment
if ! works && [ $existed = yes ]; then
  say ".venv is broken: making it anew"
  rm -rf "$venv"
  make_environment
fi
works || { tail -n 5 "$log" >&2; die "the new environment does not import what it should; all of it is in $log"; }
printf '%s' "$wanted" > "$venv/.stamp"
