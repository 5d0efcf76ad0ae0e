"""This machine: its cores, processes, CPU time, memory and ports, and the lock that keeps two runs apart."""
