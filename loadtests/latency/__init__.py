"""Response times and numbers of workers by size: visits to fresh servers, one kind of load after the other."""
