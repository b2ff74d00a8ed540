"""What every other room of data_prep stands on: the command line, files, records of stages, processes, the layout of a
data folder. Imports no other room."""
