//! An emulator of AWS ECR's control plane.
