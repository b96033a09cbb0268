"""GhostCut, the text-inpainting vendor (zhaoli gateway)."""
