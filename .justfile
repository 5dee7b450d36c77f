# The commands that developers use; `.ci/run` is what a change must pass.
default: check

# Format, lints and the tests that need no control plane.
check:
    cargo fmt --check
    cargo clippy --all-targets -- -D warnings
    cargo test

# Build etcd, the Kubernetes control plane, kubectl and kwok for the live tests.
control-plane:
    tests/control-plane/build.sh

# Only the live tests; a missing control plane is a failure.
live *ARGS:
    MNGUP_REQUIRE_LIVE=1 cargo test --test live -- {{ARGS}}

# More random worlds than CI plays.
worlds COUNT='100000':
    MNGUP_WORLDS={{COUNT}} cargo test --release --test simulation -- --nocapture

# Every cause made in a simulated world: found, near misses, false alarms, several at once (MNGUP_WORLDS=10000: more worlds).
score:
    cargo test --test diagnosis score -- --nocapture --test-threads 1

# The table of measurements: kubectl drain by hand beside mngup, and the engine alone.
bench:
    cargo bench

# Licences, advisories and double dependencies (needs cargo-deny).
deny:
    cargo deny check
