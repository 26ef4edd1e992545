//! One epoll fd that runs libxl's events inside any event loop.
