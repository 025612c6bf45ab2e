#!/bin/sh
# Builds the ROS package into .ros/install with colcon: the messages, and links to the sources, so that only
# a change of what is summed up below needs another build.
set -eu
cd "$(dirname "$0")/.."
root=$PWD
log=$root/.ros/build.log

die() { printf 'error: %s\n' "$*" >&2; exit 1; }

base=$(cat .venv/.stamp scripts/build.sh | cksum)
wanted="$base $({ cat msg/*.msg CMakeLists.txt package.xml scripts/node.py.in; find config launch -type f | sort; } | cksum)"
built=$(cat .ros/stamp 2>/dev/null || true)
[ "$built" = "$wanted" ] && exit 0

command -v c++ > /dev/null || die "a C++ compiler is missing; do: sudo apt install g++"
generator=""
if [ -x .venv/bin/colcon ]; then
  generator="-G Ninja" # of the wheels; faster than make, which colcon holds back on a busy machine
  export PATH="$root/.venv/bin:$PATH" AMENT_PREFIX_PATH="$root/.venv" CMAKE_PREFIX_PATH="$root/.venv"
fi
command -v colcon > /dev/null || die "colcon is missing; do: sudo apt install python3-colcon-common-extensions"

echo "building the ROS package"
case $built in "$base "*) ;; *) rm -rf .ros ;; esac
rm -rf .ros/stamp .ros/src
# A source folder of its own: CMake refuses to export include folders below the source folder, and .venv is one.
mkdir -p .ros/src/emotional_dan_ros
for item in CMakeLists.txt package.xml LICENSE msg emotional_dan_ros config launch scripts; do
  ln -sfn "../../../$item" ".ros/src/emotional_dan_ros/$item"
done
colcon --log-base .ros/log build --merge-install --symlink-install \
  --base-paths .ros/src --build-base .ros/build --install-base .ros/install \
  --cmake-args $generator -DCMAKE_BUILD_TYPE=Release -DBUILD_TESTING=OFF -DPython3_EXECUTABLE="$root/.venv/bin/python" \
  > "$log" 2>&1 || {
  tail -n 20 "$log" >&2
  die "the ROS package does not build; all of it is in $log"
}
printf '%s' "$wanted" > .ros/stamp
