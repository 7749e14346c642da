echo 'shared.sh of vendor'
