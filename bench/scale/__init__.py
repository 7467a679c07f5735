"""scripts/bench --scale: layers of millions of rows and of millions of vertices, plain against overviews."""
