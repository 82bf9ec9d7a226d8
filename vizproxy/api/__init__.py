"""HTTP: the viewer page, the API, and the picture's WebSocket."""
