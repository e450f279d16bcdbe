"""Django REST framework with SimpleJWT as it comes: rotation and blacklist on."""
