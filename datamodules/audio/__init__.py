"""Audio files: opening, decoding, resampling, cropping and padding."""
