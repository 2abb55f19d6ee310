"""masksmith: data, priors, training and judgement for real-time segmentation of feet and people."""

__version__ = "0.1.0"
