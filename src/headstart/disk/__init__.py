"""Files on this disk: written completely or not at all, locked, unpacked, downloaded."""
