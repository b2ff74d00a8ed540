"""The surroundings of a run of fairseq's trainer: its folder, checkpoint files, workers, costs, numbers and endings."""
