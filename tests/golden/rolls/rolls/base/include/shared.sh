echo 'shared.sh of base'
