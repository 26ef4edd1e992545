//! Safe libxl on any event loop.
