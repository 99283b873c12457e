module ecr-operator.dev/git-server

go 1.26.0
