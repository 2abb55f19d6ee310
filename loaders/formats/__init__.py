"""Other forms of a dataset: COCO, WebDataset, Hugging Face, imagefolder, Croissant, FiftyOne, folders; out and in."""
