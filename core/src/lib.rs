//! The registration state machine that runs libxl inside any event loop.
