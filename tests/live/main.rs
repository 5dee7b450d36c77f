//! Tests against a real control plane. Build it first: `tests/control-plane/build.sh`.

mod control_plane;
mod support;
