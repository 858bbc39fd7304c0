module greeting

go 1.27
