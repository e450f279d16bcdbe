"""The control of the refresh race: Django with SimpleJWT as it comes, rotation and blacklist on."""
