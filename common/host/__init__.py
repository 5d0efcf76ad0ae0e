"""This machine: processes, CPU time, memory, cores, ports, and the lock that keeps two runs apart."""
